/** Photos on their way to the backbone: read and decoded ahead, in batches that fit into memory. */
package io.squeeze.jobs.photo;
