"""The sandbox of AWS: moto's server, with corrections where its answers differ from AWS's."""
