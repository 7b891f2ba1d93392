"""The broker as gateway and worker see it; the only place that knows the AMQP library.

The connection is aio-pika's; its channels are used one layer below, as aiormq offers them: the
message objects and robust channels above cost more than they give to a process that supervises its
connection itself.
"""
