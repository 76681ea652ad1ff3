/**
 * The little that libtorch needs from us: loading it, native memory, gradients, kernels that DJL
 * does not offer, and TorchScript archives written from Java.
 */
package io.squeeze.torch;
