/** The folder of a run, the summaries in it, and the trackers that are told of it. */
package io.squeeze.jobs.run;
