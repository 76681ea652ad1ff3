/**
 * The job that writes a trained model as one TorchScript program, to be served without this one.
 */
package io.squeeze.jobs.export;
