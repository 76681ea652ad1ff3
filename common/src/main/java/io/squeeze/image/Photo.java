package io.squeeze.image;

/**
 * What is known of a photo whose pixels have been decoded.
 *
 * @param width of the whole photo in pixels
 * @param height of the whole photo in pixels
 * @param denominator what it was divided by while it was decoded: 1, 2, 4 or 8
 * @param warning what a decoder would warn of; null for nothing
 */
public record Photo(int width, int height, int denominator, String warning) {}
