/**
 * Turns the bytes of a picture into the input of a backbone. Every format is decoded to Pillow's
 * pixels, bit for bit, cropped as in torchvision, and normalised. Every rejection has a code.
 */
package io.squeeze.image;
