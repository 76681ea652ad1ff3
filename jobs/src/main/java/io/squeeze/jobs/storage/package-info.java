/** Hadoop's file systems and locks on them, made from a Hadoop configuration: no Spark here. */
package io.squeeze.jobs.storage;
