/**
 * From the bytes of a picture to what a backbone reads: every format to Pillow's pixels to the bit,
 * crops that are torchvision's, normalised planes. Limits and rejections are told by code.
 */
package io.squeeze.image;
