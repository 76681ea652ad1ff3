#!/usr/bin/python3
"""Makes small pictures of every kind, with the pixels that Pillow 9.4 gives for each.

    /usr/bin/python3 pictures.py OUT.npz.gz

Needs Debian 12's python3-pil 9.4 (libjpeg-turbo 2.1.5, libtiff 4.5, libwebp 1.2.4, lcms 2.14),
python3-numpy, libjpeg-turbo-progs, webp, libtiff-tools. np.load(gzip.open(OUT)) reads the arrays
    NAME         the bytes of the picture's file
    NAME_rgb     np.asarray(Image.open(file).convert("RGB"))
    NAME_mask    np.asarray(Image.open(file)), where the picture has one band
    NAME_draft2  and 4 and 8: what draft mode makes of some JPEGs
    NAME_reject  the text of the exception, where Pillow refuses the file
which are the same in every run."""
import gzip, io, itertools, os, re, struct, subprocess, sys, tempfile, warnings, zlib
from pathlib import Path
import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

image, array, OUT = Image.fromarray, np.asarray, Path(sys.argv[1]).absolute()
PICTURES, FOLDER = {}, tempfile.TemporaryDirectory()
os.chdir(FOLDER.name)

def add(**pictures):
    assert not set(pictures) & set(PICTURES), pictures.keys()
    PICTURES.update(pictures)

def tool(data, command, **files):
    """Runs a program that makes the file "out" of the file "in" (and others)."""
    for name, content in {"in": data, **files}.items():
        Path(name).write_bytes(content)
    subprocess.run(command.split(), check=True, capture_output=True)
    return Path("out").read_bytes()

def pil(picture, kind, **options):
    picture.save("out", kind, **options)
    return Path("out").read_bytes()

# ---- Content: arrays [h,w] or [h,w,channels]; profiles, EXIF
def photo(w, h, seed=1):
    """Gradients, a noisy half, saturated shapes with sharp edges."""
    y, x = np.mgrid[0:h, 0:w]
    p = np.stack([40 + 190 * x // max(w, 2), 230 - 190 * y // max(h, 2), 90 + 2 * x + 3 * y], -1)
    p += np.random.RandomState(seed).randint(-20, 21, p.shape) * (x < w // 2)[..., None]
    p[(2 * x >= w) & (4 * x < 3 * w) & (3 * y < h)] = [255, 0, 20]
    p[(x - w * 3 // 4) ** 2 + (y - h * 2 // 3) ** 2 < (min(w, h) // 4) ** 2] = [10, 30, 250]
    p[(x + 2 * y) % 29 == 3] = [255, 255, 255]
    return np.clip(p, 0, 255).astype("u1")

def grey(w, h, seed=2): return (photo(w, h, seed) @ np.array([3, 5, 2]) // 10).astype("u1")
def indices(w, h, n, seed=3):  # 0..n-1, in areas that are flat or noisy
    return np.minimum(grey(w, h, seed).astype(int) * n // 256, n - 1).astype("u1")
def with_alpha(p, step):  # alpha grows to the right
    return np.dstack([p, np.clip(np.indices(p.shape[:2])[1] * step - 30, 0, 255).astype("u1")])
def wide(p):  # 8 bits made 16, the low ones random
    return p * np.uint16(256) + np.random.RandomState(6).randint(0, 256, p.shape).astype("<u2")
def colours(n):  # [n,3], distinct, none is black
    return (np.arange(n)[:, None] * [89, -31, 3] + [128, 255, 40]).astype("u1")

def pack(rows, bits):
    """Rows [h,n] of samples as bytes [h,m]; samples under 8 bits share bytes, high bit first."""
    if bits < 8:
        rows = (rows[..., None] >> np.arange(bits)[::-1] & 1).reshape(len(rows), -1)
        return np.packbits(rows.astype("u1"), axis=1)
    return np.ascontiguousarray(rows).view("u1")

GREYS, C4, C16 = np.arange(256, dtype="u1").repeat(3).reshape(-1, 3), colours(4), colours(16)

def icc(*primaries):
    """lcms's profile of sRGB, without its date and with other primaries."""
    p = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    p[24:36] = b"\x07\xe7\0\1\0\1\0\0\0\0\0\0"
    for tag, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries):
        at = 8 + struct.unpack_from(">I", p, p.index(tag) + 4)[0]
        struct.pack_into(">3i", p, at, *[round(v * 65536) for v in xyz])
    return bytes(p)

SRGB, P3, ADOBE_RGB = icc(), icc((.5151, .2412, -.0011), (.292, .6922, .0419), (
    .1571, .0666, .7841)), icc((.6097, .3111, .0195), (.2053, .6257, .0609), (.1492, .0632, .7446))
CMYK, GREY = [SRGB.replace(b"RGB ", s).replace(b"rTRC", b"kTRC") for s in (b"CMYK", b"GRAY")]

def directory(tags, order=b"II"):
    """A TIFF header and directory (Pillow counts the offset 273 from the directory's end)."""
    ifd, out = TiffImagePlugin.ImageFileDirectory_v2(prefix=order), io.BytesIO()
    ifd.update(tags)
    ifd.save(out)
    return out.getvalue()

def exif(orientation, order=b"II"): return directory({274: orientation}, order)

# ---- JPEG
def seg(marker, payload): return struct.pack(">BBH", 255, marker, len(payload) + 2) + payload
def put(data, *segments): return data[:2] + b"".join(segments) + data[2:]  # behind SOI
def parts(data):  # cut before every marker but RST; for files without FF in their segments
    return re.split(rb"(?=\xff[^\0\xd0-\xd7])", data)[1:]
def without(data, markers): return b"".join(p for p in parts(data) if p[1] not in markers)
def first_scans(data, n): return SOS.join(data.split(SOS)[:n + 1]) + EOI
def flip(data, at, bit): return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]
SOS, EOI, JFIF = b"\xff\xda", b"\xff\xd9", seg(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
ADOBE = [seg(0xEE, b"Adobe\0\x64\0\0\0\0%c" % transform) for transform in range(3)]

def cjpeg(p, options="", **files):
    ppm = b"P%d %d %d 255\n" % (p.ndim + 3, p.shape[1], p.shape[0]) + p.tobytes()
    return tool(ppm, f"cjpeg {options} -outfile out in", **files)

def jpeg(planes, head=JFIF, factors=None, ids=None, options=""):
    """A JPEG of planes [h,w,n]: cjpeg codes each as a grey one, jpegtran weaves their scans."""
    h, w, n = planes.shape
    factors, ids, scans = factors or [(1, 1)] * n, ids or range(1, n + 1), b""
    frame, (high_x, high_y) = struct.pack(">BHHB", 8, h, w, n), np.max(factors, 0)
    for k, (x, y), plane in zip(ids, factors, planes.transpose(2, 0, 1)):
        size = -(-w * x // high_x), -(-h * y // high_y)
        plane = array(image(plane).resize(size, Image.BOX))
        *_, quantisation, _, dc, ac, scan, _ = parts(cjpeg(plane, "-grayscale"))
        frame += bytes([k, x << 4 | y, 0])
        scans += scan[:5] + bytes([k]) + scan[6:]
    out = put(b"\xff\xd8" + scans + EOI, quantisation, seg(0xC0, frame), dc, ac)
    return put(without(tool(out, f"jpegtran {options} -outfile out in"), b"\xe0\xee"), head)

# Sampling, tables, restarts, sizes, arithmetic coding
small, tiny, g = photo(19, 18), photo(13, 11), grey(19, 18)
ycc, ycc_small = [array(image(p).convert("YCbCr")) for p in (tiny, small)]
for n, s in zip((444, 422, 420, 440, 411, 410), ("1x1", "2x1", "2x2", "1x2", "4x1", "4x2")):
    add(**{f"jpeg_{n}_baseline": cjpeg(photo(27, 21), "-quality 80 -sample " + s),
           f"jpeg_{n}_progressive": cjpeg(small, "-progressive -sample " + s)})
for y, c in ((1, 1), (2, 2)), ((3, 1), (1, 1)), ((2, 2), (1, 2)), ((3, 1), (2, 1)):
    add(**{"jpeg_y%d%d_c%d%d" % (y + c): jpeg(ycc_small, JFIF, [y, c, c])})
for w, h in (1, 1), (2, 2), (3, 3), (7, 5), (8, 8), (17, 33), (1, 40), (40, 1):
    add(**{f"jpeg_420_{w}x{h}": cjpeg(photo(w, h), "-quality 90 -optimize")})
for n, options in {
        "420_scans": "-scans s012", "422_scans_0_12": "-sample 2x1 -scans s0_12",
        "rgb_cjpeg": "-rgb", "arithmetic": "-arithmetic", "420_restart_3b": "-restart 3B",
        "422_optimised": "-sample 2x1 -optimize", "420_restart_1": "-restart 1",
        "420_progressive_restart": "-restart 2B -progressive",
        "arithmetic_progressive": "-arithmetic -progressive",
        **{f"420_q{q}": f"-quality {q}" for q in (1, 5, 50, 75, 90, 100)}}.items():
    add(**{"jpeg_" + n: cjpeg(small, options, s012=b"0; 1; 2;", s0_12=b"0; 1,2;")})
# One to three components
gj = cjpeg(g, "-grayscale -optimize")
bare = without(gj, b"\xe0")
add(jpeg_grey=gj, jpeg_rgb_ids_bare=jpeg(tiny, b"", ids=b"RGB"), jpeg_3_adobe_1=jpeg(ycc, ADOBE[1]),
    jpeg_grey_progressive=cjpeg(g, "-grayscale -progressive"), jpeg_2_components=jpeg(ycc[..., :2]),
    jpeg_grey_2x2=jpeg(g[..., None], JFIF, [(2, 2)]), jpeg_rgb_ids_jfif=jpeg(ycc, ids=b"RGB"),
    jpeg_grey_adobe_1=put(bare, ADOBE[1]), jpeg_grey_jfif_adobe_1=put(bare, JFIF, ADOBE[1]),
    jpeg_3_adobe_0=jpeg(tiny, ADOBE[0]), jpeg_3_jfif_adobe_0=jpeg(ycc, JFIF + ADOBE[0]),
    jpeg_3_adobe_2=jpeg(ycc, ADOBE[2]), jpeg_3_bare_ids_9_20_31=jpeg(ycc, b"", ids=b"\x09\x14\x1f"),
    jpeg_3_bare_ids_123=jpeg(ycc, b""))
# Four components: amounts of ink, mostly inverted as Adobe writes them
def inks(p):
    k = (255 - p.max(-1)[..., None]) // 2
    return np.dstack([255 - p - k, k])
def ycck(p):
    return np.dstack([image(inks(p)[..., :3]).convert("YCbCr"), 255 - inks(p)[..., 3]])
cmyk = jpeg(255 - inks(tiny), ADOBE[0])
f420, f422 = [(2, 2), (1, 1), (1, 1), (2, 2)], [(2, 1), (1, 1), (1, 1), (2, 1)]
add(jpeg_cmyk_pillow=pil(image(small).convert("CMYK"), "JPEG", quality=85), jpeg_cmyk_adobe_0=cmyk,
    jpeg_cmyk_420=jpeg(255 - inks(small), ADOBE[0], f420), jpeg_cmyk_no_adobe=jpeg(inks(tiny), b""),
    jpeg_ycck_420=jpeg(ycck(small), ADOBE[2], f420), jpeg_ycck_adobe_2=jpeg(ycck(tiny), ADOBE[2]),
    jpeg_ycck_422_progressive=jpeg(ycck(small), ADOBE[2], f422, options="-progressive"),
    jpeg_4_adobe_1=jpeg(ycck(tiny), ADOBE[1]))
# Profiles and EXIF
def profile(data, *chunks): return put(data, *[seg(0xE2, b"ICC_PROFILE\0" + c) for c in chunks])
def with_exif(block): return put(base, seg(0xE1, b"Exif\0\0" + block))
base, b444, second, thumb = cjpeg(tiny), jpeg(ycc), image(photo(9, 7)), cjpeg(photo(5, 4))
thumb = b"\x1a\0\0\0" + directory({259: 6, 513: 68, 514: len(thumb)})[8:] + thumb
for n, data, p in (("icc_srgb", base, SRGB), ("icc_p3", base, P3), ("icc_adobe", base, ADOBE_RGB), (
        "icc_broken", base, SRGB[40:130]), ("icc_grey_on_grey", gj, GREY), (
        "icc_grey_on_colour", base, GREY), ("cmyk_icc", cmyk, CMYK)):
    add(**{"jpeg_" + n: profile(data, b"\1\1" + p)})
for o, order in enumerate(("ii", "mm") * 4, 1):
    add(**{f"jpeg_exif_{o}_{order}": with_exif(exif(o, order.upper().encode()))})
add(jpeg_icc_chunk_missing=profile(base, b"\1\3" + P3[:200], b"\3\3" + P3[400:]),
    jpeg_exif_thumbnail=with_exif(exif(1)[:-4] + thumb),
    jpeg_exif_broken=with_exif(exif(6)[9:] * 3), jpeg_com=put(base, seg(0xFE, b"a comment")),
    jpeg_mpo=pil(image(tiny), "MPO", save_all=True, append_images=[second]))
# Bytes changed, too many, missing
s420, rst, prog = cjpeg(small), cjpeg(small, "-restart 1B"), cjpeg(small, "-progressive")
wide_steps = np.frombuffer(b444[25:89], "u1").astype(">u2").tobytes()
p420, p444 = [cjpeg(photo(25, 21), "-progressive -sample " + s) for s in ("2x2", "1x1")]
add(jpeg_precision_12_patched=b444.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    jpeg_sof_c3_patched=b444.replace(b"\xff\xc0", b"\xff\xc3"), jpeg_early_eoi_30=s420[:-179] + EOI,
    jpeg_dqt_16_bit=b444[:20] + seg(0xDB, b"\x10" + wide_steps) + b444[89:],
    jpeg_mjpeg_no_dht=without(cjpeg(tiny, "-sample 1x1"), b"\xc4"), jpeg_before_soi=b"\r\n" + base,
    jpeg_dnl=s420.replace(b"\x08\0\x12\0", b"\x08\0\0\0")[:-2] + seg(0xDC, b"\0\x12") + EOI,
    jpeg_fill_bytes=b"\xff\xff".join(parts(base)), jpeg_bit_flipped_3=flip(s420, -179, 16),
    jpeg_missing_eoi_progressive=prog[:-2], jpeg_progressive_444_scans_1_of_10=first_scans(p444, 1),
    jpeg_soi_twice=b"\xff\xd8" + base, jpeg_missing_eoi=s420[:-2], jpeg_missing_eoi_grey=gj[:-2],
    jpeg_stray_before_eoi=base[:-2] + b"\x11" * 40 + EOI, jpeg_bit_flipped_5=flip(s420, -128, 16),
    jpeg_stray_between=base.replace(b"\xff\xdb", b"\1\2\3\xff\xdb", 1),
    jpeg_stray_before_restart=rst.replace(b"\xff\xd1", b"\x77\x78\xff\xd1"),
    jpeg_after_eoi=base + b"garbage \xff\xd8\xff" * 3,
    jpeg_restart_wrong_number=rst.replace(b"\xff\xd1", b"\xff\xd4"),
    jpeg_restart_removed=rst.replace(b"\xff\xd1", b""),
    jpeg_progressive_420_small_scans_2_of_10=first_scans(p420, 2),
    jpeg_progressive_420_small_scans_9_of_10=first_scans(p420, 9),
    jpeg_progressive_small_dc_only=first_scans(prog, 1),
    jpeg_restart_bit_flipped_3=flip(rst, -185, 8), jpeg_restart_bit_flipped_5=flip(rst, -132, 8),
    jpeg_progressive_bit_flipped_2=flip(prog, -444, 32),
    jpeg_progressive_bit_flipped_6=flip(prog, -222, 32))

# ---- PNG
def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def ihdr(*fields): return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))
def plte(n): return chunk(b"PLTE", colours(n).tobytes())
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))

def png_rows(samples, depth):
    """The bytes of the rows, filtered with the types 0..4 in turn."""
    h, _, c = samples.shape
    rows = samples.reshape(h, -1).astype(">u2" if depth == 16 else "u1")
    raw, step = pack(rows, depth).astype(int), max(1, depth * c // 8)
    padded = np.pad(raw, ((1, 0), (step, 0)))
    corner, left, up = padded[:-1, :-step], padded[1:, :-step], padded[:-1, step:]
    a, b, k = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    paeth = np.where((a <= b) & (a <= k), left, np.where(b <= k, up, corner))
    types = np.arange(h)[:, None] % 5
    guess = np.choose(types, [0 * raw, left, up, (left + up) // 2, paeth])
    return np.hstack([types, raw - guess]).astype("u1").tobytes()

def png(samples, depth, colour, before=b"", passes=((0, 0, 1, 1),), idats=lambda z: [z]):
    """A PNG, with chunks before its IDAT; idats: cuts the zlib stream."""
    head = ihdr(samples.shape[1], len(samples), depth, colour, 0, 0, len(passes) > 1)
    tiles = [np.atleast_3d(samples)[y::dy, x::dx] for x, y, dx, dy in passes]
    z = zlib.compress(b"".join(png_rows(t, depth) for t in tiles if t.size), 9)
    return head + before + b"".join(chunk(b"IDAT", p) for p in idats(z)) + chunk(b"IEND")

w, h, kinds = 17, 11, {}
rgb, g, t, i8, i4 = photo(w, h), grey(w, h), photo(11, 7), indices(w, h, 40), indices(w, h, 16)
for d in 1, 2, 4, 8:
    p = indices(w, h, 1 << d)
    kinds.update({f"grey_{d}": (p, d, 0), f"palette_{d}": (p, d, 3, plte(1 << d))})
for n, c, p in (("grey", 0, g), ("rgb", 2, rgb), ("grey_alpha", 4, with_alpha(g, 16)),
                ("rgba", 6, with_alpha(rgb, 16))):
    kinds.update({n + "_8": (p, 8, c), n + "_16": (wide(p), 16, c)})
for n, args in kinds.items():
    add(**{f"png_{n}": png(*args), f"png_{n}_interlaced": png(*args, passes=ADAM7)})
steps, trns = np.arange(187).reshape(h, w), chunk(b"tRNS", bytes(range(0, 250, 10)))
gama, chrm = chunk(b"gAMA", b"\0\0\xb1\x8f"), chunk(b"cHRM", struct.pack(
    ">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
for n, before in (("gama_1", chunk(b"gAMA", b"\0\1\x86\xa0")), ("gama_45455_chrm", gama + chrm), (
        "icc_p3", chunk(b"iCCP", b"x\0\0" + zlib.compress(P3))), ("srgb", chunk(b"sRGB", b"\1")), (
        "icc_broken", chunk(b"iCCP", b"x\0\0\1")), ("exif_3", chunk(b"eXIf", exif(3))), (
        "exif_6", chunk(b"eXIf", exif(6, b"MM")))):
    add(**{"png_" + n: png(t, 8, 2, before)})
plain, fdat = png(t, 8, 2), chunk(b"fdAT", b"\0\0\0\2" + zlib.compress(png_rows(t[::-1], 8)))
actl, fctl = chunk(b"acTL", b"\0\0\0\2\0\0\0\0"), [chunk(b"fcTL", bytes([
    0, 0, 0, k, 0, 0, 0, 11, 0, 0, 0, 7]) + bytes(9) + b"\1\0\x0a\0\0") for k in (0, 1)]
add(png_grey_16_to_255=png(steps, 16, 0), png_bad_crc_idat=plain[:-16] + b"\0\0\0\1" + plain[-12:],
    png_grey_16_steps=png(steps * 352, 16, 0), png_palette_8_index_beyond=png(i8, 8, 3, plte(9)),
    png_palette_8_short=png(i8, 8, 3, plte(40)), png_palette_4_index_beyond=png(i4, 4, 3, plte(5)),
    png_palette_missing=png(i8, 8, 3), png_missing_iend=plain[:-12], png_1x1=png(photo(1, 1), 8, 2),
    png_trns_palette_8=png(i8, 8, 3, plte(40) + trns), png_after_iend=plain + b"garbage" * 9,
    png_trns_grey_8=png(g, 8, 0, chunk(b"tRNS", b"\0%c" % g[6, 8])),
    png_trns_rgb_8=png(rgb, 8, 2, chunk(b"tRNS", b"\0\xff\0\0\0\x14")),
    png_apng=png(t, 8, 2, actl + fctl[0])[:-12] + fctl[1] + fdat + plain[-12:],
    png_idat_split=png(rgb, 8, 2, idats=lambda z: [z[i:i + 7] for i in range(0, len(z), 7)]),
    png_idat_empty=png(t, 8, 2, idats=lambda z: [b"", z[:9], b"", z[9:], b""]),
    png_bad_adler=png(t, 8, 2, idats=lambda z: [z[:-4] + b"\1\2\3\4"]),
    png_bad_crc_ihdr=plain[:29] + b"\0\0\0\1" + plain[33:],
    png_announces_much=ihdr(60000, 60000, 8, 2, 0, 0, 0) + plain[33:],
    png_3x7_interlaced=png(photo(3, 7), 8, 2, passes=ADAM7),
    png_1x5000=png(np.tile(photo(1, 50), (100, 1, 1)), 8, 2),
    png_5000x1=png(np.tile(photo(50, 1), (1, 100, 1)), 8, 2))

# ---- GIF
def lzw(pixels, size):
    """LZW without a clear when the table is full."""
    clear, word = 1 << size, ()
    table, codes = {(i,): i for i in range(clear + 2)}, [(clear, size + 1)]
    for p in pixels.reshape(-1).tolist():
        if word + (p,) not in table:
            codes.append((table[word], (len(table) - 1).bit_length()))
            if len(table) < 4096:
                table[word + (p,)] = len(table)
            word = ()
        word += (p,)
    codes.append((table[word], (len(table) - 1).bit_length()))
    codes.append((clear + 1, min(12, len(table).bit_length())))
    bits = "".join(format(c, f"0{n}b")[::-1] for c, n in codes)
    return np.packbits([int(b) for b in bits], bitorder="little").tobytes()

def gif_table(table):  # the flags and the bytes
    bits = 0 if table is None else (len(table) - 1).bit_length()
    return (0x80 | bits - 1, table.tobytes().ljust(3 << bits, b"\0")) if bits else (0, b"")
def control(transparent=0, disposal=0):
    return b"!\xf9\4" + bytes([disposal << 2 | bool(transparent), 10, 0, transparent, 0])

def frame(px, size=4, at=(0, 0), local=None, interlace=False, missing=0):
    """A GIF frame; missing: rows that are announced and do not come."""
    (h, w), (flags, table) = px.shape, gif_table(local)
    z = lzw(np.concatenate([px[0::8], px[4::8], px[2::4], px[1::2]]) if interlace else px, size)
    blocks = b"".join(b"%c" % len(z[i:i + 255]) + z[i:i + 255] for i in range(0, len(z), 255))
    head = struct.pack("<cHHHHB", b",", *at, w, h + missing, flags | interlace << 6)
    return head + table + bytes([size]) + blocks + b"\0"

def gif(*frames, table=C16, screen=(23, 17), background=0, version=b"GIF89a"):
    flags, data = gif_table(table)
    head = struct.pack("<6sHHBBB", version, *screen, 0x70 | flags, background, 0)
    return head + data + b"".join(frames) + b";"

i4, i16, i256, small = *[indices(23, 17, n) for n in (4, 16, 256)], indices(11, 9, 16, 8)
noise = np.random.RandomState(7).randint(0, 256, (66, 66))
whole, part = frame(i16), frame(small, at=(6, 4))
add(gif_87a=gif(whole, version=b"GIF87a"), gif_frame_partly_outside=gif(frame(small, at=(16, 11))),
    gif_89a=gif(whole), gif_min_code_2=gif(frame(i4, 2), table=C4), gif_no_trailer=gif(whole)[:-1],
    gif_grey_ramp=gif(frame(i256, 8), table=GREYS), gif_interlaced=gif(frame(i16, interlace=True)),
    gif_frame_small=gif(part), gif_animated_first_small=gif(control(1, 2), part, control(1), whole),
    gif_frame_small_background_5=gif(part, background=5), gif_no_palette=gif(whole, table=None),
    gif_transparent=gif(control(int(i16[5, 5])), whole), gif_min_code_8=gif(frame(i4, 8), table=C4),
    gif_local_palette=gif(frame(i16, local=C16[::-1]), table=None),
    gif_index_beyond=gif(whole, table=C4), gif_frame_small_transparent=gif(control(2), part),
    gif_pixels_missing=gif(frame(i16[:9], missing=8)),
    gif_frame_small_local=gif(frame(small, at=(6, 4), local=C16[::-1]), table=colours(72)[40:]),
    gif_animated=gif(control(0, 1), whole, control(0, 1), part),
    gif_table_full=gif(frame(noise, 8), screen=(66, 66), table=GREYS))

# ---- BMP
def bmp(px, bits, table=GREYS[:0], masks=b"", top_down=False, os2=False, rle=b""):
    """A BMP; more than three masks make the header longer; rle: stands in place of the rows."""
    h, w = px.shape[:2]
    rows = pack(px.reshape(h, -1), bits if px.ndim == 2 else 8)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::1 if top_down else -1]
    data, length = rle or rows.tobytes(), 40 + len(masks) * (len(masks) > 12)
    head = struct.pack("<IHHHH", 12, w, h, 1, bits) if os2 else struct.pack(
        "<IiiHHIIiiII", length, w, -h if top_down else h, 1, bits,
        1 if rle else 3 if masks else 0, 0, 2835, 2835, len(table), 0)
    head += masks + np.pad(table[:, ::-1], ((0, 0), (0, 0 if os2 else 1))).tobytes()
    return struct.pack("<2sIII", b"BM", 14 + len(head) + len(data), 0, 14 + len(head)) + head + data

def rgb16(p, green_bits):
    r, g, b = p.transpose(2, 0, 1).astype("<u2")
    return r >> 3 << 5 + green_bits | g >> 8 - green_bits << 5 | b >> 3

p, grid = photo(13, 9), np.arange(64).reshape(4, 16)
i2, i5, i16, i200 = [indices(13, 9, n) for n in (2, 5, 16, 200)]
bgr, levels = p[..., ::-1], np.stack([grid % 32 * 8, 255 - grid * 4, grid * 7 % 32 * 8], -1)
bgra = with_alpha(bgr, 25)
m565, m32 = struct.pack("<3I", 0xF800, 0x7E0, 31), struct.pack("<3I", 255 << 16, 255 << 8, 255)
rle = b"\0\0".join(b"".join(bytes([len(list(run)), v]) for v, run in itertools.groupby(row))
                   for row in i16[::-1].tolist()) + b"\0\1"
absolute = b"\0\5\1\2\3\4\5\0\3\6\0\0" + b"\0\4\7\6\5\4\4\2\0\0" + b"\x08\x09\0\1"
add(**{f"bmp_24_{n}x3": bmp(photo(n, 3)[..., ::-1], 24) for n in range(1, 6)})
add(bmp_1=bmp(i2, 1, GREYS[::255]), bmp_4=bmp(i16, 4, C16), bmp_16_levels=bmp(rgb16(levels, 5), 16),
    bmp_1_colours=bmp(i2, 1, C16[:2]), bmp_4_few=bmp(i5, 4, C16[:5]), bmp_32_x_filled=bmp(bgra, 32),
    bmp_8=bmp(i200, 8, colours(256)), bmp_8_index_beyond=bmp(i200, 8, C16), bmp_24=bmp(bgr, 24),
    bmp_8_few=bmp(i16, 8, C16), bmp_os2_4=bmp(i16, 4, C16, os2=True), bmp_16=bmp(rgb16(p, 5), 16),
    bmp_32_bitfields=bmp(bgra, 32, masks=m32), bmp_32=bmp(bgra & np.uint8([255, 255, 255, 0]), 32),
    bmp_8_grey_ramp=bmp(grey(13, 9), 8, GREYS), bmp_8_top_down=bmp(i16, 8, C16, top_down=True),
    bmp_32_v4=bmp(bgra, 32, masks=m32 + b"\0\0\0\xff" + bytes(52)),
    bmp_16_565=bmp(rgb16(p, 6), 16, masks=m565), bmp_os2_8=bmp(i200, 8, colours(256), os2=True),
    bmp_16_565_levels=bmp(rgb16(levels, 6), 16, masks=m565), bmp_rle8=bmp(i16, 8, C16, rle=rle),
    bmp_24_top_down=bmp(bgr, 24, top_down=True), bmp_os2_24=bmp(bgr, 24, os2=True),
    bmp_32_v5=bmp(bgra, 32, masks=m32 + b"\0\0\0\xff" + bytes(68)),
    bmp_rle8_absolute=bmp(i16[:3, :8], 8, C16, rle=absolute))

# ---- WebP
def cwebp(p, options):
    return tool(pil(image(p), "PNG"), f"cwebp -m 6 {options} in -o out")
def webpmux(data, options, **files): return tool(data, f"webpmux {options} -o out", **files)

p, small = photo(19, 17), photo(11, 9, 7)
rgba, still, lossless = with_alpha(p, 14), cwebp(p, "-q 75"), cwebp(p, "-lossless")
part, part_alpha = cwebp(small, "-q 80"), cwebp(with_alpha(small, 40), "-lossless -exact")
small_first = "-frame part +100+4+6 -frame in +100"
add(webp_lossy_q5=cwebp(p, "-q 5"), webp_lossless=lossless, webp_lossy_alpha=cwebp(rgba, "-q 70"),
    webp_lossy_q75=still, webp_animated_first_small=webpmux(still, small_first, part=part),
    webp_lossy_sharp_yuv=cwebp(p, "-q 80 -sharp_yuv"), webp_lossless_alpha=cwebp(rgba, "-lossless"),
    webp_lossy_1x1=cwebp(photo(1, 1), "-q 85"), webp_icc=webpmux(still, "-set icc icc in", icc=P3),
    webp_lossy_3x5=cwebp(photo(3, 5), "-q 85"),
    webp_lossless_alpha_exact=cwebp(rgba, "-lossless -exact"),
    webp_exif_6=webpmux(still, "-set exif exif in", exif=exif(6)),
    webp_animated=webpmux(still, "-frame in +100 -frame part +100+4+6", part=part),
    webp_animated_first_small_alpha=webpmux(still, small_first, part=part_alpha))

# ---- TIFF: an own writer for plain ones, tiffcp for the rest
def tiff(px, bits=None, photometric=None, compression=1, tags=()):
    """A little endian TIFF with one strip behind its directory."""
    h, w, c = np.atleast_3d(px).shape
    bits, kind = bits or px.itemsize * 8, "uif".index(px.dtype.kind) + 1
    data = (zlib.compress if compression == 8 else bytes)(pack(px.reshape(h, -1), bits).tobytes())
    photometric = c // 3 + 1 if photometric is None else photometric
    return directory({256: w, 257: h, 258: (bits,) * c, 259: compression, 262: photometric, 273: 0,
                      277: c, 278: h, 279: len(data), 339: (kind,) * c, **dict(tags)}) + data

def tiffcp(data, options): return tool(data, f"tiffcp {options} in out")

p, g, bw, i4, i16, i200 = photo(17, 9), grey(17, 9), *[indices(17, 9, n) for n in (2, 4, 16, 200)]
rgba, low = with_alpha(p, 14), np.random.RandomState(9).randint(0, 256, (9, 17))
map16, map256 = [{320: [v * 257 for v in c.T.reshape(-1).tolist()]} for c in (C16, colours(256))]
plain, grey_16, deflate = tiff(p), tiff(wide(g)), tiff(p, compression=8)
cmyk, black = tiff(255 - rgba, 8, 5), tiff(bw, 1)
add(tiff_rgb_ii=plain, tiff_grey_16_ii=grey_16, tiff_cmyk=cmyk, tiff_rgba=tiff(rgba, tags={338: 2}),
    tiff_rgb_16_ii=tiff(wide(p)), tiff_grey_1=black, tiff_grey_4=tiff(i16, 4), tiff_deflate=deflate,
    tiff_grey_1_white_is_zero=tiff(bw, 1, 0), tiff_grey_float=tiff((low * 1.7 - 60).astype("<f4")),
    tiff_grey_2=tiff(i4, 2), tiff_grey_8=tiff(g), tiff_rgba_premultiplied=tiff(rgba, tags={338: 1}),
    tiff_grey_8_white_is_zero=tiff(g, 8, 0), tiff_orientation_3=tiff(p[:7, :11], tags={274: 3}),
    tiff_jpeg_cmyk=tiffcp(cmyk, "-c jpeg:80 -r 16"), tiff_palette_8=tiff(i200, 8, 3, tags=map256),
    tiff_1x1=tiff(photo(1, 1)), tiff_jpeg_ycbcr=tiffcp(tiff(photo(21, 19)), "-c jpeg:80 -r 16"),
    tiff_grey_32_signed=tiff((low * 3 - 100).astype("<i4")), tiff_grey_16_mm=tiffcp(grey_16, "-B"),
    tiff_palette_4=tiff(i16, 4, 3, tags=map16), tiff_orientation_6=tiff(p[:7, :11], tags={274: 6}),
    tiff_g4=tiffcp(black, "-c g4 -r 5"), tiff_icc=tiff(p, tags={34675: P3}),
    tiff_two_pages=pil(image(p), "TIFF", save_all=True, append_images=[image(g)]))
for n, options in {
        "rgb_mm": "-B", "bigtiff_ii": "-8", "bigtiff_mm": "-8 -B", "rgb_strips": "-r 3",
        "rgb_tiles": "-t -w 16 -l 16", "rgb_planar": "-p separate", "packbits": "-c packbits -r 4",
        "lzw": "-c lzw -r 5", "lzw_predictor": "-c lzw:2 -r 5", "lzw_mm": "-c lzw -r 5 -B",
        "deflate_predictor": "-c zip:2", "jpeg_no_ycc": "-c jpeg:r:80 -r 8"}.items():
    add(**{"tiff_" + n: tiffcp(plain, options)})

# ---- Others, to be told by their first bytes
def box(kind, data): return struct.pack(">I", len(data) + 8) + kind + data
def ftyp(*brands):
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands)) + box(b"meta", bytes(20))

add(other_avif=ftyp(b"avif", b"mif1", b"miaf"), other_heic=ftyp(b"heic", b"mif1"), other_empty=b"",
    other_avif_mif1=ftyp(b"mif1", b"avif", b"miaf"), other_jxl_codestream=b"\xff\x0a" + bytes(30),
    other_jxl_container=box(b"JXL ", b"\r\n\x87\n") + ftyp(b"jxl "),
    other_jpeg2000_container=box(b"jP  ", b"\r\n\x87\n") + ftyp(b"jp2 "),
    other_jpeg2000_codestream=b"\xff\x4f\xff\x51" + bytes(20),
    other_psd=b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 5, 7, 8, 3),
    other_ico=b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\0\1\0\0\x16\0\0\0",
    other_pdf=b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    other_html=b"<!DOCTYPE html><html><body>404 Not Found</body></html>")

# ---- Truncated files
for line in ("jpeg_420_q75 jpeg 30 60 95", "png_rgb_8 png 20 50 90", "gif_89a gif 50 80",
             "webp_lossy_q75 webp_lossy 50", "webp_lossless webp_lossless 50", "bmp_24 bmp_24 60",
             "tiff_rgb_ii tiff 70", "tiff_deflate tiff_deflate 70"):
    source, n, *percents = line.split()
    data = PICTURES[source]
    add(**{f"{n}_truncated_{k}": data[:len(data) * int(k) // 100] for k in percents})

# ---- What Pillow gives
warnings.simplefilter("ignore")
arrays, packed = {}, io.BytesIO()
drafts = "(444|422|420|440|411|410)_(baseline|progressive)|420_17x33|grey|cmyk_420|y22_c12|y31_c11"
for name, data in PICTURES.items():
    Path(name).write_bytes(data)
    arrays[name] = np.frombuffer(data, "u1")
    try:
        mask, rgb = array(Image.open(name)), array(Image.open(name).convert("RGB"))
    except Exception as e:
        arrays[name + "_reject"] = np.frombuffer(f"{type(e).__name__}: {e}".encode(), "u1")
        continue
    arrays[name + "_rgb"] = rgb
    for k in (2, 4, 8) if re.fullmatch(f"jpeg_({drafts})", name) else ():
        small = Image.open(name)
        small.draft(small.mode, (small.width // k, small.height // k))
        arrays[f"{name}_draft{k}"] = array(small.convert("RGB"))
    if mask.ndim == 2:
        arrays[name + "_mask"] = mask.astype("u1" if mask.dtype == bool else mask.dtype.char)
np.savez(packed, **arrays)
OUT.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))
print(len(PICTURES), "pictures,", sum(k.endswith("_reject") for k in arrays), "refused")
