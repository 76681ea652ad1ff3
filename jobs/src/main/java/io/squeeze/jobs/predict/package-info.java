/** The job that gives masks to photos, from the photos, from embeddings, or from codes. */
package io.squeeze.jobs.predict;
