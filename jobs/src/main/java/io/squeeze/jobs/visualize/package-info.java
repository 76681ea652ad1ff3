/** A run as people look at it: an HTML report, and pictures of the samples that tell most. */
package io.squeeze.jobs.visualize;
