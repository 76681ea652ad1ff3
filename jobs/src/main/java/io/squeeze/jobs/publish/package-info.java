/**
 * Versions of data sets: how one is published ({@link io.squeeze.jobs.publish.Publisher}), what its
 * manifest says, and the tables with their columns.
 */
package io.squeeze.jobs.publish;
