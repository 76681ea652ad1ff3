/** Spark SQL over all that was published below a folder. */
package io.squeeze.jobs.query;
