/** Training on one shard, and the average of many: batches, optimizer state, checkpoints. */
package io.squeeze.train;
