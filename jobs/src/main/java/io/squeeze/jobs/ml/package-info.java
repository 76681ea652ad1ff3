/** Spark ML stages. */
package io.squeeze.jobs.ml;
