/** Removes old versions and what ended jobs left. */
package io.squeeze.jobs.gc;
