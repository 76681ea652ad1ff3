/** Tells trackers of a run: TensorBoard, ClearML, MLflow. A server that fails never ends a run. */
package io.squeeze.track;
