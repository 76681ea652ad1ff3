package io.squeeze.weights;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Interprets a pickle that holds a state dict. It is an allow-list: the opcodes and names below and
 * no others. No class is looked up, nothing is called; a name becomes a {@link Name}, and what
 * torch would call becomes a record. Lists are List, tuples are List, dicts are Map, None is {@link
 * #NONE}.
 *
 * <p>Format: CPython's pickletools.py, protocols 2 to 5. The names are those that {@code
 * torch.load(weights_only=True)} needs for tensors.
 */
final class Unpickler {
  /** Python's None. */
  static final Object NONE = new Name("None");

  private static final int MAX_BYTES = 16 << 20;

  /** Dimensions of a tensor: torch has no more. */
  static final int MAX_RANK = 64;

  private static final int MAX_OPERATIONS = 2_000_000;

  private static final Set<String> NAMES =
      Set.of(
          "collections.OrderedDict",
          "torch._utils._rebuild_tensor",
          "torch._utils._rebuild_tensor_v2",
          "torch._utils._rebuild_parameter",
          "torch.Size",
          "torch.device");

  private static final Set<String> DTYPES =
      Set.of(
          "torch.float64",
          "torch.float32",
          "torch.float16",
          "torch.bfloat16",
          "torch.int64",
          "torch.int32",
          "torch.int16",
          "torch.int8",
          "torch.uint8",
          "torch.bool");

  /** A name of the allow-list; it stands for nothing but itself. */
  record Name(String name) {}

  /** Bytes beside the pickle: torch's persistent id. */
  record Storage(ElementType type, String key, long elements) {}

  /** A view of a storage, in elements; not checked against it yet. */
  record Tensor(Storage storage, long offset, long[] shape, long[] strides) {}

  private final RandomReader file;
  private final String source;
  private final long limit;
  private final byte[] buffer = new byte[1 << 16];
  private long bufferStart;
  private int bufferLength;
  private long position;

  private final List<Object> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Integer, Object> memo = new HashMap<>();
  private final Map<String, Storage> storages = new HashMap<>();

  /**
   * A pickle that begins at {@code position} and ends before {@code end}.
   *
   * @param source for messages
   */
  Unpickler(RandomReader file, String source, long position, long end) {
    this.file = file;
    this.source = source;
    this.position = position;
    this.limit = Math.min(end, position + MAX_BYTES);
  }

  /** The storages that the pickle names, by key; after {@link #load}. */
  Map<String, Storage> storages() {
    return storages;
  }

  /** Where the byte behind the pickle lies; after {@link #load}. */
  long position() {
    return position;
  }

  /**
   * Interprets the pickle.
   *
   * @throws SqueezeException of category input if it holds anything that a state dict needs not
   */
  Object load() throws IOException {
    try {
      for (int i = 0; i < MAX_OPERATIONS; i++) {
        int opcode = next();
        if (opcode == '.') {
          Object result = pop();
          if (!stack.isEmpty() || !marks.isEmpty()) {
            throw refused("it ends with values left over");
          }
          return result;
        }
        operate(opcode);
      }
      throw refused("it has more than " + MAX_OPERATIONS + " operations");
    } catch (EOFException e) {
      throw refused("it ends early, or is larger than " + MAX_BYTES + " bytes");
    }
  }

  private void operate(int opcode) throws IOException {
    switch (opcode) {
      case 0x80 -> protocol(next());
      case 0x95 -> number(8); // FRAME: the frame's length
      case '(' -> marks.add(stack.size());
      case '0' -> pop();
      case '1' -> sinceMark();
      case 'N' -> push(NONE);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'J' -> push((long) (int) number(4));
      case 'K' -> push(number(1));
      case 'M' -> push(number(2));
      case 0x8a -> push(bigNumber(next()));
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(number(8))));
      case 'X' -> push(text(number(4)));
      case 0x8c -> push(text(number(1)));
      case 0x8d -> push(text(number(8)));
      case 'U' -> push(text(number(1)));
      case 'T' -> push(text(number(4)));
      case ']' -> push(new ArrayList<>());
      case '}' -> push(new LinkedHashMap<>());
      case 0x8f -> push(new LinkedHashSet<>());
      case ')' -> push(List.of());
      case 't' -> push(Collections.unmodifiableList(sinceMark()));
      case 0x85 -> tuple(1);
      case 0x86 -> tuple(2);
      case 0x87 -> tuple(3);
      case 'l' -> push(sinceMark());
      case 'd' -> {
        List<Object> items = sinceMark();
        push(new LinkedHashMap<>());
        setItems(topMap(), items);
      }
      case 'a' -> {
        Object value = pop();
        addTo(List.of(value));
      }
      case 'e' -> addTo(sinceMark());
      case 0x90 -> addAll(sinceMark());
      case 's' -> {
        Object value = pop();
        Object key = pop();
        setItems(topMap(), List.of(key, value));
      }
      case 'u' -> {
        List<Object> items = sinceMark();
        setItems(topMap(), items);
      }
      case 'q' -> memo.put((int) number(1), top());
      case 'r' -> memo.put((int) number(4), top());
      case 0x94 -> memo.put(memo.size(), top());
      case 'h' -> push(remembered((int) number(1)));
      case 'j' -> push(remembered((int) number(4)));
      case 'c' -> push(name(line(), line()));
      case 0x93 -> {
        Object name = pop();
        Object module = pop();
        if (!(module instanceof String moduleText) || !(name instanceof String nameText)) {
          throw refused("a name is no text");
        }
        push(name(moduleText, nameText));
      }
      case 'R' -> {
        Object arguments = pop();
        push(made(pop(), arguments));
      }
      case 'b' -> build(pop());
      case 'Q' -> push(storage(pop()));
      default ->
          throw refused(
              String.format(
                  Locale.ROOT,
                  "it uses the opcode %s (0x%02x), which a state dict needs not",
                  opcodeName(opcode),
                  opcode));
    }
  }

  private static String opcodeName(int opcode) {
    return switch (opcode) {
      case 'i' -> "INST";
      case 'o' -> "OBJ";
      case 'P' -> "PERSID";
      case 0x81 -> "NEWOBJ";
      case 0x92 -> "NEWOBJ_EX";
      case 0x82, 0x83, 0x84 -> "EXT";
      case 0x96, 0x97, 0x98 -> "BUFFER";
      case '2' -> "DUP";
      default -> opcode > 32 && opcode < 127 ? "'" + (char) opcode + "'" : "?";
    };
  }

  private void protocol(int version) {
    if (version < 2 || version > 5) {
      throw refused("its protocol " + version + " is not one of 2 to 5");
    }
  }

  /** A name of the allow-list; the only thing that a global can be. */
  private Object name(String module, String name) {
    String full = module + "." + name;
    boolean storage = module.equals("torch") && storageType(name) != null;
    if (!storage && !NAMES.contains(full) && !DTYPES.contains(full)) {
      throw refused(
          "it names "
              + full
              + ", which is not data; save the state dict alone:"
              + " torch.save(model.state_dict(), path)");
    }
    return new Name(full);
  }

  private static ElementType storageType(String name) {
    for (ElementType type : ElementType.values()) {
      if (type.storage().equals(name)) {
        return type;
      }
    }
    return null;
  }

  /** What torch's function would make of the arguments, as a record. */
  private Object made(Object function, Object arguments) {
    if (!(function instanceof Name name) || !(arguments instanceof List<?> list)) {
      throw refused("it calls what is no name");
    }
    switch (name.name()) {
      case "collections.OrderedDict" -> {
        if (list.isEmpty()) {
          return new LinkedHashMap<>();
        }
      }
      case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2" -> {
        if (list.size() >= 4
            && list.get(0) instanceof Storage storage
            && list.get(1) instanceof Long offset) {
          return new Tensor(storage, offset, longs(list.get(2)), longs(list.get(3)));
        }
      }
      case "torch._utils._rebuild_parameter" -> {
        if (!list.isEmpty() && list.get(0) instanceof Tensor tensor) {
          return tensor;
        }
      }
      case "torch.Size" -> {
        if (list.size() == 1 && list.get(0) instanceof List<?> sizes) {
          return sizes;
        }
      }
      case "torch.device" -> {
        return name;
      }
      default -> throw refused("it calls " + name.name() + ", which is no function of the list");
    }
    throw refused("it calls " + name.name() + " with arguments that do not fit");
  }

  private long[] longs(Object value) {
    if (value instanceof List<?> list
        && list.size() <= MAX_RANK
        && list.stream().allMatch(Long.class::isInstance)) {
      return list.stream().mapToLong(Long.class::cast).toArray();
    }
    throw refused("a tensor's shape or strides are not at most " + MAX_RANK + " whole numbers");
  }

  /** ('storage', class, key, location, elements), in the old format with a view behind. */
  private Object storage(Object id) {
    if (id instanceof List<?> list
        && list.size() >= 5
        && list.get(0).equals("storage")
        && list.get(1) instanceof Name name
        && list.get(2) instanceof String key
        && list.get(4) instanceof Long elements) {
      ElementType type = storageType(name.name().replace("torch.", ""));
      if (type != null && elements >= 0 && (list.size() == 5 || list.get(5) == NONE)) {
        Storage storage = new Storage(type, key, elements);
        Storage known = storages.putIfAbsent(key, storage);
        if (known != null && !known.equals(storage)) {
          throw refused("it describes the storage " + key + " in two ways");
        }
        return storage;
      }
    }
    throw refused("a persistent id is no storage");
  }

  /** A state dict carries its {@code _metadata} this way; nothing else may be built. */
  private void build(Object state) {
    if (!(top() instanceof Map) || !(state instanceof Map)) {
      throw refused("it sets the state of an object (BUILD), which data has not");
    }
  }

  private void setItems(Map<Object, Object> map, List<Object> items) {
    if (items.size() % 2 != 0) {
      throw refused("a dict has a key without a value");
    }
    for (int i = 0; i < items.size(); i += 2) {
      Object key = items.get(i);
      // Scalars alone: a list that holds itself has no hash.
      if (!(key instanceof String || key instanceof Long || key instanceof Boolean)) {
        throw refused("a dict's key is neither text nor a number");
      }
      map.put(key, items.get(i + 1));
    }
  }

  private void addTo(List<Object> values) {
    if (!(top() instanceof ArrayList<?>)) {
      throw refused("it appends to what is no list");
    }
    @SuppressWarnings("unchecked")
    List<Object> list = (List<Object>) top();
    list.addAll(values);
  }

  private void addAll(List<Object> values) {
    if (!(top() instanceof Set<?>)) {
      throw refused("it adds to what is no set");
    }
    @SuppressWarnings("unchecked")
    Set<Object> set = (Set<Object>) top();
    for (Object value : values) {
      if (!(value instanceof String || value instanceof Long)) {
        throw refused("a set holds neither text nor numbers");
      }
      set.add(value);
    }
  }

  @SuppressWarnings("unchecked")
  private Map<Object, Object> topMap() {
    if (!(top() instanceof Map<?, ?>)) {
      throw refused("it sets items of what is no dict");
    }
    return (Map<Object, Object>) top();
  }

  private Object remembered(int index) {
    Object value = memo.get(index);
    if (value == null) {
      throw refused("it recalls the value " + index + ", which it never kept");
    }
    return value;
  }

  private void tuple(int size) {
    if (floor() + size > stack.size()) {
      throw refused("its stack is empty");
    }
    List<Object> last = stack.subList(stack.size() - size, stack.size());
    List<Object> tuple = List.copyOf(last);
    last.clear();
    push(tuple);
  }

  private List<Object> sinceMark() {
    if (marks.isEmpty()) {
      throw refused("its stack has no mark");
    }
    List<Object> above = stack.subList(marks.remove(marks.size() - 1), stack.size());
    List<Object> values = new ArrayList<>(above);
    above.clear();
    return values;
  }

  private void push(Object value) {
    stack.add(value);
  }

  private Object pop() {
    if (stack.size() <= floor()) {
      throw refused("its stack is empty");
    }
    return stack.remove(stack.size() - 1);
  }

  private int floor() {
    return marks.isEmpty() ? 0 : marks.get(marks.size() - 1);
  }

  private Object top() {
    if (stack.size() <= floor()) {
      throw refused("its stack is empty");
    }
    return stack.get(stack.size() - 1);
  }

  private Object bigNumber(int length) throws IOException {
    if (length > 8) {
      // torch's magic number, in the old format, is the only one of its kind.
      byte[] bytes = bytes(length);
      return new java.math.BigInteger(reversed(bytes));
    }
    return length == 0 ? 0L : number(length) << (64 - 8 * length) >> (64 - 8 * length);
  }

  private static byte[] reversed(byte[] bytes) {
    byte[] result = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      result[i] = bytes[bytes.length - 1 - i];
    }
    return result;
  }

  private String text(long length) throws IOException {
    return new String(bytes(length), StandardCharsets.UTF_8);
  }

  private byte[] bytes(long length) throws IOException {
    if (length < 0 || length > limit - position) {
      throw new EOFException();
    }
    byte[] bytes = new byte[(int) length];
    file.readFully(position, bytes, 0, bytes.length);
    position += length;
    return bytes;
  }

  private String line() throws IOException {
    StringBuilder text = new StringBuilder();
    for (int b = next(); b != '\n'; b = next()) {
      text.append((char) b);
      if (text.length() > 1000) {
        throw refused("a name has more than 1000 letters");
      }
    }
    return text.toString();
  }

  /** An unsigned number, little endian. */
  private long number(int length) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < length; i++) {
      bytes.put(i, (byte) next());
    }
    return bytes.getLong(0);
  }

  private int next() throws IOException {
    if (position >= limit) {
      throw new EOFException();
    }
    if (position < bufferStart || position >= bufferStart + bufferLength) {
      bufferStart = position;
      bufferLength = (int) Math.min(buffer.length, limit - position);
      file.readFully(position, buffer, 0, bufferLength);
    }
    return buffer[(int) (position++ - bufferStart)] & 0xFF;
  }

  private SqueezeException refused(String reason) {
    return SqueezeException.input("Refused the pickle of " + source + ": " + reason);
  }
}
