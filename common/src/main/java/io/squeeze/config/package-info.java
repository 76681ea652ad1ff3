/**
 * The settings of {@code reference.conf} as records, checked when they are read, and the exceptions
 * that end a command with a documented exit code. Every other package may use this one.
 */
package io.squeeze.config;
