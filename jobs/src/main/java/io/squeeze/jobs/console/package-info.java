/**
 * What a user reads: results, progress, warnings, and a failure as one sentence with an exit code.
 */
package io.squeeze.jobs.console;
