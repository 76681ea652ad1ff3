/**
 * JPEG to pixels, equal to the bit to libjpeg-turbo with its accurate integer DCT and fancy
 * upsampling: a decoder in Java for every machine, and libjpeg-turbo itself where it is installed.
 */
package io.squeeze.image.jpeg;
