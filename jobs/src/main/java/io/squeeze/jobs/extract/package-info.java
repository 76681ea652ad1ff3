/**
 * Photos to published embeddings, or straight to codes or masks: each photo goes through the
 * backbone once.
 */
package io.squeeze.jobs.extract;
