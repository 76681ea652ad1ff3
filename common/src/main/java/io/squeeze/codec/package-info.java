/**
 * Codes as bytes: fixed-width packing, arithmetic coding, and what each of them costs. Knows no
 * tensors.
 */
package io.squeeze.codec;
