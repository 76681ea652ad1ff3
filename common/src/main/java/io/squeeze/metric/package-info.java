/** What is measured: confusion matrices with the IoU, and how codes are used. Knows no tensors. */
package io.squeeze.metric;
