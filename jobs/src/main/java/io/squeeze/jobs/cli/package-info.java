/**
 * The command line: each command with its options, its help and the job that it runs. Exit codes
 * come from here.
 */
package io.squeeze.jobs.cli;
