/**
 * Fits without gradients: principal components, codebooks and centroids of lists from blocks of
 * vectors, in the memory of one task or over the executors.
 */
package io.squeeze.jobs.fit;
