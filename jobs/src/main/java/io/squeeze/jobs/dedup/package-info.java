/** Near-duplicates among vectors: pairs within lists of similar vectors, joined to groups. */
package io.squeeze.jobs.dedup;
