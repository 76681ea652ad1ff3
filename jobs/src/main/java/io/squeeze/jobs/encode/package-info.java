/** Embeddings or a table of vectors to published codes, and codes back to embeddings. */
package io.squeeze.jobs.encode;
