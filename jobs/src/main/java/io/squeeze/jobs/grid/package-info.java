/** Many trainings over one extraction or one table, ranked. */
package io.squeeze.jobs.grid;
