/** Functions for Spark SQL: vectors, codes, distances. */
package io.squeeze.jobs.sql;
