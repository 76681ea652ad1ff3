/** Reading files by path, whatever file system holds them. */
package io.squeeze.storage;
