/** The trained model: an optional adapter, a quantizer and a segmentation head, with the losses. */
package io.squeeze.segment;
