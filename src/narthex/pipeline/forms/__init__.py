"""The form of an answer's text: read as it should be, repaired where that is safe, refused where it is not.

json_form   JSON values
xml_form    well-formed XML documents
"""
