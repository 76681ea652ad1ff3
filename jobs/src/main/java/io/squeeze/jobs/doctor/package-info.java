/** Looks at the driver and at every executor before a long job does. */
package io.squeeze.jobs.doctor;
