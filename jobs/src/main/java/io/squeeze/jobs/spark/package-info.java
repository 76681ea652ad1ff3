/** Sessions, tasks with their devices, and stages with their resources. */
package io.squeeze.jobs.spark;
