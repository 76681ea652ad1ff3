package io.squeeze.jobs.extract;

import static org.apache.parquet.schema.LogicalTypeAnnotation.stringType;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.BINARY;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.INT32;

import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.publish.Columns;
import java.util.List;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Types;

/** The Parquet forms of the tables that extraction writes. */
final class Schemas {
  static final String STAGE = "stage";
  static final String CODE = "code";
  static final String MESSAGE = "message";

  private Schemas() {}

  static MessageType embeddings(List<Column> described) {
    var message = sample();
    message.addField(Types.required(BINARY).named(Columns.EMBEDDING));
    message.addField(Types.required(BINARY).named(Columns.MASK));
    describe(message, described);
    return message.named("embeddings");
  }

  static MessageType codes(List<Column> described) {
    var message = sample();
    describe(message, described);
    message.addField(Types.required(INT32).named(Columns.LEVELS));
    message.addField(
        Types.requiredList().element(Types.required(INT32).named("element")).named(Columns.CODES));
    return message.named("codes");
  }

  private static Types.MessageTypeBuilder sample() {
    var message = Types.buildMessage();
    text(message, Columns.SAMPLE_ID);
    text(message, Columns.IMAGE_PATH);
    for (String name :
        List.of(
            Columns.HEIGHT,
            Columns.WIDTH,
            Columns.CHANNELS,
            Columns.GRID_HEIGHT,
            Columns.GRID_WIDTH)) {
      message.addField(Types.required(INT32).named(name));
    }
    text(message, Columns.DTYPE);
    return message;
  }

  private static void describe(Types.MessageTypeBuilder message, List<Column> described) {
    for (Column column : described) {
      message.addField(
          column.type() == Column.Type.INT
              ? Types.optional(INT32).named(column.name())
              : Types.optional(BINARY).as(stringType()).named(column.name()));
    }
  }

  static MessageType rejects() {
    var message = Types.buildMessage();
    for (String name :
        List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH, STAGE, CODE, MESSAGE)) {
      text(message, name);
    }
    return message.named("rejects");
  }

  private static void text(Types.MessageTypeBuilder message, String name) {
    message.addField(Types.required(BINARY).as(stringType()).named(name));
  }
}
