package io.squeeze.train;

import java.io.Serializable;

/**
 * One sample to train on.
 *
 * @param features float32 or float16 [C, h, w], little endian
 * @param mask one label a pixel, [size, size]
 */
public record Example(String id, byte[] features, byte[] mask) implements Serializable {}
