/**
 * Vector quantizers: [N, C] -> codes [N, levels] -> [N, C]. {@link io.squeeze.quantize.Quantizer}
 * is the interface, {@link io.squeeze.quantize.QuantizerType} makes one by name. Codebooks are
 * found by k-means and follow their vectors by moving averages.
 */
package io.squeeze.quantize;
