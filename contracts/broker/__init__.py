"""The broker client of gateway and worker; only this package uses the AMQP library.

Connections are opened with aio-pika; channels are those of aiormq, the layer below. aio-pika's
message objects and robust channels cost time, and a process that supervises its connection itself
does not need them.
"""
