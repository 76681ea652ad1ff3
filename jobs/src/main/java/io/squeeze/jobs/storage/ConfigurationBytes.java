package io.squeeze.jobs.storage;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInput;
import java.io.DataInputStream;
import java.io.DataOutput;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;
import org.apache.hadoop.conf.Configuration;

/**
 * Sends a configuration of Hadoop with a task. Hadoop's own form compresses each of its 1,500
 * values alone, which takes longer than a short task; this one compresses all together, and a
 * process reads equal ones once.
 */
final class ConfigurationBytes {
  /** The configurations that this process read last, by their bytes: tasks only read them. */
  private static final Map<ByteBuffer, Configuration> KNOWN =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, Configuration> eldest) {
          return size() > 8;
        }
      };

  private ConfigurationBytes() {}

  static void write(Configuration configuration, DataOutput out) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Deflater deflater = new Deflater(Deflater.BEST_SPEED);
    try (DataOutputStream data = new DataOutputStream(new DeflaterOutputStream(bytes, deflater))) {
      for (Map.Entry<String, String> entry : configuration) {
        data.writeBoolean(true);
        write(entry.getKey(), data);
        write(entry.getValue(), data);
      }
      data.writeBoolean(false);
    } finally {
      deflater.end();
    }
    out.writeInt(bytes.size());
    out.write(bytes.toByteArray());
  }

  private static void write(String text, DataOutputStream data) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    data.writeInt(bytes.length);
    data.write(bytes);
  }

  static Configuration read(DataInput in) throws IOException {
    byte[] bytes = new byte[in.readInt()];
    in.readFully(bytes);
    synchronized (KNOWN) {
      Configuration known = KNOWN.get(ByteBuffer.wrap(bytes));
      if (known == null) {
        known = parse(bytes);
        KNOWN.put(ByteBuffer.wrap(bytes), known);
      }
      return known;
    }
  }

  private static Configuration parse(byte[] bytes) throws IOException {
    Configuration configuration = new Configuration(false);
    try (DataInputStream data =
        new DataInputStream(new InflaterInputStream(new ByteArrayInputStream(bytes)))) {
      while (data.readBoolean()) {
        configuration.set(text(data), text(data));
      }
    }
    return configuration;
  }

  private static String text(DataInputStream data) throws IOException {
    byte[] bytes = new byte[data.readInt()];
    data.readFully(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
