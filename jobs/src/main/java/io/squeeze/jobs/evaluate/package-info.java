/**
 * What every sample of a split kept (IoU) and what it cost (bytes); the same for a table of
 * vectors.
 */
package io.squeeze.jobs.evaluate;
