package io.squeeze.jobs.grid;

import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** A table of few rows: values by column, String, Long, Double, Boolean or null. */
record ResultTable(Map<String, DataType> columns, List<List<Object>> rows) {

  String csv() {
    StringBuilder csv = new StringBuilder(line(new ArrayList<>(columns.keySet())));
    rows.forEach(row -> csv.append(line(row)));
    return csv.toString();
  }

  List<Map<String, Object>> maps() {
    List<String> names = List.copyOf(columns.keySet());
    List<Map<String, Object>> maps = new ArrayList<>();
    for (List<Object> row : rows) {
      Map<String, Object> map = new LinkedHashMap<>();
      for (int i = 0; i < names.size(); i++) {
        map.put(names.get(i), row.get(i));
      }
      maps.add(map);
    }
    return maps;
  }

  private static String line(List<?> values) {
    List<String> cells = new ArrayList<>();
    for (Object value : values) {
      String text = value == null ? "" : value.toString();
      boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n');
      cells.add(plain ? text : '"' + text.replace("\"", "\"\"") + '"');
    }
    return String.join(",", cells) + "\n";
  }

  void write(SparkSession spark, HadoopStorage storage, String path) throws IOException {
    List<StructField> fields = new ArrayList<>();
    columns.forEach((name, type) -> fields.add(DataTypes.createStructField(name, type, true)));
    List<Row> all = rows.stream().map(r -> RowFactory.create(r.toArray())).toList();
    StructType schema = new StructType(fields.toArray(StructField[]::new));
    Tables.replace(storage, spark.createDataFrame(all, schema).coalesce(1), path);
  }
}
