/** Many trainings over one extraction, ranked. */
package io.squeeze.jobs.grid;
