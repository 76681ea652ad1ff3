/**
 * Data sets of photos with masks: Oxford-IIIT Pet, those that a file declares, those that a user
 * implements, and synthesized shapes to try everything with.
 */
package io.squeeze.dataset;
