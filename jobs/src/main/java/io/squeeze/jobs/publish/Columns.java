package io.squeeze.jobs.publish;

import io.squeeze.dataset.SegmentationDataset.Column;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The names and types of the columns of our tables. */
public final class Columns {
  public static final String SAMPLE_ID = "sample_id";
  public static final String SPLIT = "split";
  public static final String IMAGE_PATH = "image_path";
  public static final String HEIGHT = "height";
  public static final String WIDTH = "width";
  public static final String CHANNELS = "channels";
  public static final String GRID_HEIGHT = "grid_height";
  public static final String GRID_WIDTH = "grid_width";
  public static final String DTYPE = "dtype";
  public static final String EMBEDDING = "embedding";
  public static final String POOLED = "pooled";
  public static final String MASK = "mask";
  public static final String MASK_HEIGHT = "mask_height";
  public static final String MASK_WIDTH = "mask_width";
  public static final String SHARE = "share_";
  public static final String CONFIDENCE = "confidence";
  public static final String OUTSIDE = "outside_share";
  public static final String LEVELS = "levels";
  public static final String CODES = "codes";
  public static final String LEVEL = "level";
  public static final String CODE = "code";
  public static final String VECTOR = "vector";
  public static final String LIST = "list";
  public static final String POSITION = "position";
  public static final String CENTROID = "centroid";
  public static final String VECTORS = "vectors";
  public static final String FIRST_FILE = "first_file";
  public static final String LAST_FILE = "last_file";
  public static final String QUERY_ID = "query_id";
  public static final String RANK = "rank";
  public static final String DISTANCE = "distance";
  public static final String STAGE = "stage";
  public static final String MESSAGE = "message";
  public static final String SPLIT_INDEX = "split_index";

  public static final String IMAGE_FILE_BYTES = "image_file_bytes";
  public static final String IMAGE_FILE_MODIFIED = "image_file_modified";
  public static final String MASK_FILE_BYTES = "mask_file_bytes";
  public static final String MASK_FILE_MODIFIED = "mask_file_modified";

  /** Bytes and time of change of a sample's photo and mask. */
  public static final List<String> FILE_STATES =
      List.of(IMAGE_FILE_BYTES, IMAGE_FILE_MODIFIED, MASK_FILE_BYTES, MASK_FILE_MODIFIED);

  private static final List<TableColumn> SAMPLE =
      List.of(
          TableColumn.text(SAMPLE_ID),
          TableColumn.text(IMAGE_PATH),
          TableColumn.integer(HEIGHT),
          TableColumn.integer(WIDTH),
          TableColumn.integer(CHANNELS),
          TableColumn.integer(GRID_HEIGHT),
          TableColumn.integer(GRID_WIDTH),
          TableColumn.text(DTYPE));

  private Columns() {}

  /** The table of embeddings; {@code split} is a folder's name, all else stands in the files. */
  public static TableColumns embeddings(List<Column> described) {
    return embeddings(described, true, false);
  }

  /**
   * The same with or without grids and masks, and with or without a vector of each photo.
   *
   * @param grids whether a row has its grid and its mask
   * @param pooled whether it has one vector for the photo
   */
  public static TableColumns embeddings(List<Column> described, boolean grids, boolean pooled) {
    List<TableColumn> columns = new ArrayList<>(SAMPLE);
    if (grids) {
      columns.add(TableColumn.bytes(EMBEDDING));
    }
    if (pooled) {
      columns.add(TableColumn.floats(POOLED));
    }
    if (grids) {
      columns.add(TableColumn.bytes(MASK));
    }
    columns.addAll(described(described));
    return new TableColumns(columns);
  }

  /** The table of codes: a row of embeddings without features and mask, and its codes. */
  public static TableColumns codes(List<Column> described) {
    List<TableColumn> columns = new ArrayList<>(SAMPLE);
    columns.addAll(described(described));
    columns.add(TableColumn.integer(LEVELS));
    columns.add(TableColumn.integers(CODES));
    return new TableColumns(columns);
  }

  /** The table of predicted masks: {@code share_NAME} for each class. */
  public static TableColumns predictions(List<Column> described, List<String> classes) {
    List<TableColumn> columns = new ArrayList<>(SAMPLE.subList(0, 4));
    columns.add(TableColumn.integer(MASK_HEIGHT));
    columns.add(TableColumn.integer(MASK_WIDTH));
    columns.add(TableColumn.bytes(MASK));
    classes.forEach(name -> columns.add(TableColumn.real(SHARE + name)));
    columns.add(TableColumn.real(CONFIDENCE));
    columns.add(TableColumn.real(OUTSIDE));
    columns.addAll(described(described));
    return new TableColumns(columns);
  }

  /** The table of what a code stands for. */
  public static TableColumns codebook() {
    return new TableColumns(
        List.of(TableColumn.integer(LEVEL), TableColumn.integer(CODE), TableColumn.floats(VECTOR)));
  }

  /**
   * The table of an index: a row for each vector, in the order of the lists. The position of a
   * vector in its grid is y * width + x.
   */
  public static TableColumns index(List<Column> described) {
    List<TableColumn> columns = new ArrayList<>();
    columns.add(TableColumn.integer(LIST));
    columns.add(TableColumn.text(SAMPLE_ID));
    columns.add(TableColumn.integer(POSITION));
    columns.add(TableColumn.bytes(CODES));
    columns.add(TableColumn.text(SPLIT));
    columns.addAll(described(described));
    return new TableColumns(columns);
  }

  /** The table of its lists: how many vectors, in which files, around which centroid. */
  public static TableColumns lists() {
    return new TableColumns(
        List.of(
            TableColumn.integer(LIST),
            TableColumn.longInteger(VECTORS),
            TableColumn.integer(FIRST_FILE),
            TableColumn.integer(LAST_FILE),
            TableColumn.floats(CENTROID)));
  }

  /** The table of photos that could not be used. */
  public static TableColumns rejects() {
    return new TableColumns(
        Stream.of(SAMPLE_ID, SPLIT, IMAGE_PATH, STAGE, CODE, MESSAGE)
            .map(TableColumn::text)
            .toList());
  }

  /** The table of the files that samples come from. */
  public static TableColumns sources() {
    List<TableColumn> columns = new ArrayList<>();
    columns.add(TableColumn.text(SAMPLE_ID));
    columns.add(TableColumn.integer(SPLIT_INDEX));
    FILE_STATES.forEach(name -> columns.add(TableColumn.longInteger(name).optional()));
    return new TableColumns(columns);
  }

  /** A data set's own columns. */
  public static List<TableColumn> described(List<Column> columns) {
    return columns.stream()
        .map(
            column ->
                column.type() == Column.Type.INT
                    ? TableColumn.integer(column.name()).optional()
                    : TableColumn.text(column.name()).optional())
        .toList();
  }
}
