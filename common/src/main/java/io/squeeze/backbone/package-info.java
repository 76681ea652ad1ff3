/**
 * Frozen vision backbones: [B, 3, S, S] -> [B, C, h, w]. An {@link
 * io.squeeze.backbone.Architecture} writes a network as TorchScript from a checkpoint's weights; a
 * {@link io.squeeze.backbone.TorchScriptBackbone} runs it, or any TorchScript file.
 */
package io.squeeze.backbone;
