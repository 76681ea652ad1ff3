/**
 * Tensors outside of libtorch: safetensors, PyTorch's checkpoints read without running their code.
 */
package io.squeeze.weights;
