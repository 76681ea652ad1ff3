/** Embeddings to a checkpoint: shards train apart, and their parameters are averaged. */
package io.squeeze.jobs.train;
