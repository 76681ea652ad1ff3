/**
 * Trained things in use: backbones and quantizers brought to the executors, predictions, drawings.
 * Jobs, SQL and Spark ML share them.
 */
package io.squeeze.jobs.model;
