"""What an exporter's option records tell: ``records`` reads them, ``queue`` bounds it, ``domain`` has the tables."""
