package io.squeeze.image;

/**
 * The facts about a decoded photo.
 *
 * @param width of the whole photo in pixels
 * @param height of the whole photo in pixels
 * @param denominator the factor by which decoding scaled it down: 1, 2, 4 or 8
 * @param warning the warning of the decoder; null: none
 */
public record Photo(int width, int height, int denominator, String warning) {}
